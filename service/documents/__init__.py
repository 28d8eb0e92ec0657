"""Documents that programs read, made from the models and tables they are about: JSON Schemas, OpenAPI, AsyncAPI."""
