"""The page with the trends in Airflow's UI.

Importing the plugin imports :mod:`airflow_wechat.trends.page` alone; everything else is for whoever opens it.
"""
