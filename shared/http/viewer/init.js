"use strict";

window.SwaggerUIBundle({
  url: "/docs/openapi.json",
  dom_id: "#viewer",
  deepLinking: true,
  // The public validator would learn the description's address.
  validatorUrl: null,
  presets: [window.SwaggerUIBundle.presets.apis],
});
