"use strict";

const routes = document.getElementById("routes");

// The name that the page's own style knows.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

SwaggerUIBundle({
  domNode: routes,
  url: routes.dataset.description,
  // Its badge would be loaded from the makers of the page.
  validatorUrl: null,
  tryItOutEnabled: true,
});
