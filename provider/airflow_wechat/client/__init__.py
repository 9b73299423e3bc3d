"""WeChat's API for Mini Program reports. Knows nothing of Airflow."""
