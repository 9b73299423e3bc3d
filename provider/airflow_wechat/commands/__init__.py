"""Commands: ``airflow wechat …`` from Airflow 3.2 on, ``python -m airflow_wechat …`` everywhere."""

from airflow_wechat.commands.check import COMMAND as CHECK
from airflow_wechat.commands.cloud_function import COMMAND as CLOUD_FUNCTION
from airflow_wechat.commands.gaps import COMMAND as GAPS

COMMANDS = (CHECK, GAPS, CLOUD_FUNCTION)
"""Every command."""
