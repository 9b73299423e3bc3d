"""Apache Airflow provider for the visit trends of WeChat Mini Programs."""

__version__ = "0.1.0"
