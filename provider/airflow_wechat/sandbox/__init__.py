"""A stand-in for WeChat's server: for development, demos and tests. Knows nothing of Airflow.

Run it with ``python -m airflow_wechat.sandbox``, or in Python::

    with Sandbox() as sandbox:
        sandbox.url, sandbox.app, sandbox.connection, sandbox.connection_of(sandbox.app, road="authorizer")
"""

from airflow_wechat.sandbox.server import Sandbox
from airflow_wechat.sandbox.tokens import App

__all__ = ["App", "Sandbox"]
