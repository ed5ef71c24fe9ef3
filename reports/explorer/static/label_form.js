// The field that gives images a label, in two places of the page.

// `rowsOf` gives the rows that are meant; `about` names them in the field's label.
function makeLabelForm(app, id, about, rowsOf) {
  const input = element("input", {
    id, list: "class-names", autocomplete: "off", placeholder: "old or new label", maxlength: 500,
  });
  const form = element(
    "form",
    {
      class: "label-form",
      onsubmit: (event) => {
        event.preventDefault();
        const name = input.value.trim();
        if (name !== "") {
          app.assignName(name, rowsOf());
          input.value = "";
        }
      },
    },
    element("label", { for: id }, about),
    element(
      "div",
      { class: "row" },
      input,
      element("button", { type: "submit", class: "strong" }, "Assign"),
      element("button", { type: "button", onclick: () => app.assign(LEFT_OUT, rowsOf()) }, "Leave out"),
    ),
  );
  return { form, input };
}

function fillClassNames(classes) {
  byId("class-names").replaceChildren(...classes.map((name) => element("option", { value: name })));
}
