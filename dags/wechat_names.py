"""The connections and tables of the sample DAGs, in one place: change them here."""

from __future__ import annotations

WECHAT_CONN_ID = "wechat_default"
SQL_CONN_ID = "wechat_target"
LAKE_PATH = "file:///tmp/wechat_lake"  # or s3://bucket/folder, with LAKE_CONN_ID = "aws_default"
LAKE_CONN_ID = None

WECHAT_CONN_IDS = (WECHAT_CONN_ID, "wechat_second", "wechat_third")
"""Many Mini Programs, a connection each."""

WECHAT_POOL = "wechat"
"""Airflow's pool for the tasks that ask WeChat."""

TABLES = {
    "daily_visit_trend": "wechat_daily_visit_trend",
    "weekly_visit_trend": "wechat_weekly_visit_trend",
    "monthly_visit_trend": "wechat_monthly_visit_trend",
}

ASSETS = {report: f"{SQL_CONN_ID}/{table}" for report, table in TABLES.items()}
"""The URIs of the assets that stand for the tables."""
