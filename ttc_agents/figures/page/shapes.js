/* Small helpers: elements, SVG elements and colours. */
"use strict";

const SVG = "http://www.w3.org/2000/svg";

/* An element with attributes (`text` is its content) and children. */
function make(tag, attributes = {}, children = []) {
  return fill(document.createElement(tag), attributes, children);
}

function shape(tag, attributes = {}, children = []) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function setAll(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}

/* Red at 0, yellow at 0.5, green at 1, as ttc_envs/colours.py has them. */
function confidenceColour(p) {
  const [red, yellow, green] = [
    [244, 120, 108],
    [253, 224, 130],
    [130, 212, 144],
  ];
  const [low, high, share] = p < 0.5 ? [red, yellow, 2 * p] : [yellow, green, 2 * p - 1];
  return `rgb(${low.map((a, i) => Math.round(a + share * (high[i] - a))).join(" ")})`;
}

function percent(share) {
  return `${(100 * share).toFixed(share > 0.995 && share < 1 ? 1 : 0)}%`;
}

function mean(values) {
  let total = 0;
  for (const value of values) total += value;
  return total / values.length;
}

function plural(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
