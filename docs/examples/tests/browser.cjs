// Opens a page in headless Chromium and prints what it shows, as a line of JSON each time that it changes.
// Usage: node browser.cjs PLAYWRIGHT_FOLDER URL
const [playwright, url] = process.argv.slice(2);
const { chromium } = require(playwright);
const flags =
  "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";

async function main() {
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: flags.split(" ") });
  const page = await browser.newPage();
  page.on("pageerror", error => console.log(JSON.stringify({ error: String(error) })));
  await page.exposeFunction("tell", shown => console.log(JSON.stringify(shown)));
  await page.addInitScript(() =>
    addEventListener("DOMContentLoaded", () => {
      const shown = id => document.getElementById(id).textContent;
      const tell = () => window.tell({ state: shown("state"), tokens: shown("tokens") });
      new MutationObserver(tell).observe(document.body, { subtree: true, childList: true, characterData: true });
      tell();
    })
  );
  await page.goto(url);
}

main().catch(error => {
  console.log(JSON.stringify({ error: String(error) }));
  process.exit(1);
});
