/**
 * xterm 6.0.0 writes its theme into <style> elements and a cell's true colour into the attribute `style`, which our
 * policy (style-src 'self') refuses, as it should. The same text as a constructed sheet, and set through the CSSOM, is
 * allowed: no markup of anybody's can come that way. xterm takes the page's own document for both, whatever its option
 * `documentOverride` says, so the page's own is what lends a hand here.
 */

/** Stands where a <style> would: its text becomes a sheet of the page. */
function sheetElement(): HTMLElement {
  const element = document.createElement('template');
  const sheet = new CSSStyleSheet();
  const others = (): CSSStyleSheet[] => document.adoptedStyleSheets.filter((one) => one !== sheet);
  Object.defineProperty(element, 'textContent', {
    set(text: string) {
      sheet.replaceSync(text);
      document.adoptedStyleSheets = [...others(), sheet];
    },
  });
  element.remove = () => {
    document.adoptedStyleSheets = others();
    Element.prototype.remove.call(element);
  };
  return element;
}

/** While `work` opens a terminal, the <style> elements that it makes are such ones: it makes none later. */
export function withSheets(work: () => void): void {
  const plain = document.createElement.bind(document);
  Object.defineProperty(document, 'createElement', {
    value: (name: string) => (name === 'style' ? sheetElement() : plain(name)),
    configurable: true,
  });
  try {
    work();
  } finally {
    Reflect.deleteProperty(document, 'createElement');
  }
}

/** The same effect, by the way that is allowed. Nobody else here sets this attribute: React goes through the CSSOM. */
HTMLSpanElement.prototype.setAttribute = function setAttribute(name: string, value: string): void {
  if (name === 'style') this.style.cssText = value;
  else Element.prototype.setAttribute.call(this, name, value);
};
