"""Where rows land: database tables and files. Knows nothing of Airflow."""
