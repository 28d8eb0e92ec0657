"""One cluster as the service treats it: retries, outages, concurrency, and the steps of creating a Job."""
