"""Work in chunks: rows carried into PostgreSQL by binary COPY."""
