"""What only a plugin can register with Airflow."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import AirflowPlugin

from airflow_wechat.airflow_versions import plugins_have_pages
from airflow_wechat.timetables import ReportTimetable
from airflow_wechat.trends.page import EXTERNAL_VIEWS, FASTAPI_APPS


class WeChatPlugin(AirflowPlugin):
    """Makes the timetable known, so that DAGs that use it can be stored, and the page with the trends."""

    name = "wechat"
    timetables = [ReportTimetable]  # noqa: RUF012
    fastapi_apps = FASTAPI_APPS if plugins_have_pages() else []
    external_views = EXTERNAL_VIEWS if plugins_have_pages() else []
