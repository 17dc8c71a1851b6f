#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
"""Looks at each page of the site given as argument in Chromium, in frames as wide as a phone and as a desk.

Nothing may stick out of the frame on the right; tables and code that are too wide have to scroll by themselves.
"""

import html
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

LOOK = """\
<!doctype html><title>check</title><body><script>
const found = [];
// Where the boxes and the texts of a page end, but for those that can be scrolled. (A page may hide what sticks out.)
const rights = function* (page) {
    const range = page.createRange();
    for (const element of page.querySelectorAll("article *")) {
        if (element.closest("pre, .table-wrapper, .headerlink")) continue;
        yield element.getBoundingClientRect().right;
        for (const text of element.childNodes) {
            if (text.nodeType !== Node.TEXT_NODE) continue;
            range.selectNodeContents(text);
            yield range.getBoundingClientRect().right;
        }
    }
};
const look = (page, width) => new Promise(done => {
    const frame = document.createElement("iframe");
    frame.style = `width: ${width}px; height: 900px; border: 0`;
    frame.onload = () => {
        const root = frame.contentDocument.documentElement;
        const needed = Math.max(root.scrollWidth, ...rights(frame.contentDocument));
        found.push({page, width, seen: root.clientWidth, needed: Math.ceil(needed)});
        frame.remove();
        done();
    };
    frame.src = page;
    document.body.append(frame);
});
window.onload = async () => {
    for (const page of PAGES) for (const width of [400, 1280]) await look(page, width);
    document.body.textContent = JSON.stringify(found);
};
</script>
"""


def main():
    site = pathlib.Path(sys.argv[1]).resolve()
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        print("SKIPPED: the width of the pages: there is no Chromium (Debian: chromium)")
        return
    pages = [page.as_uri() for page in sorted(site.rglob("*.html"))]
    with tempfile.TemporaryDirectory() as directory:
        look = pathlib.Path(directory) / "look.html"
        look.write_text(LOOK.replace("PAGES", json.dumps(pages)))
        # One file may look into another, and no sandbox, which root has not; time is virtual, and so takes none.
        dom = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
                              f"--user-data-dir={directory}/profile", "--virtual-time-budget=60000", "--dump-dom",
                              look.as_uri()], capture_output=True, text=True, timeout=120).stdout
    told = re.search(r"\[\{.*\}\]", html.unescape(dom), re.DOTALL)
    found = json.loads(told[0]) if told else []
    if len(found) != 2 * len(pages):
        sys.exit(f"Chromium looked at {len(found)} of {2 * len(pages)} pages:\n{dom}")
    wide = [look for look in found if look["needed"] > look["seen"]]
    for look in wide:
        print("{page}: {needed} pixels wide in {seen}".format(**look))
    print(f"{len(pages)} pages at 400 and 1280 pixels, {len(wide)} too wide")
    sys.exit(1 if wide else 0)


main()
