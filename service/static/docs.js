"use strict";

const routes = document.getElementById("routes");

SwaggerUIBundle({
  domNode: routes,
  url: routes.dataset.description,
  // Its badge would be loaded from the makers of the page.
  validatorUrl: null,
  tryItOutEnabled: true,
});
