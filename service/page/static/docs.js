// The interactive documentation: Swagger UI on this service's own document. `validatorUrl` would ask another site.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  validatorUrl: null,
  syntaxHighlight: false,
});
