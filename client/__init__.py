"""The client of the service: the distribution `job-submission-client`, and what generates parts of it."""
