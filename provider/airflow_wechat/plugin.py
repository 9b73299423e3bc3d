"""What only a plugin can register with Airflow."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import AirflowPlugin

from airflow_wechat.timetables import ReportTimetable


class WeChatPlugin(AirflowPlugin):
    """Makes the timetable known, so that DAGs that use it can be stored."""

    name = "wechat"
    timetables = [ReportTimetable]  # noqa: RUF012
