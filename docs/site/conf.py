# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
"""Makes the site of the pages in docs/ and of what Doxygen found in the headers; docs/build.sh runs it."""

import os
import pathlib
import re
import xml.etree.ElementTree as ET

from docutils import nodes
from sphinx import addnodes

root = pathlib.Path(__file__).parents[2]
xml = root / "build/doxygen/xml"

project = "named_lock"
copyright = "2026 The named_lock authors"
version = release = re.search(r'VERSION "(.*)"', (root / "include/named_lock/version.hpp").read_text())[1]

extensions = ["breathe", "myst_parser"]
myst_heading_anchors = 4
breathe_projects = {project: str(xml)}
breathe_default_project = project
breathe_show_include = False
primary_domain = "cpp"
highlight_language = "none"

html_theme = "furo"
html_title = f"{project} {version}"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_js_files = [("scripts/gumshoe-patched.js", {"priority": 100})]
html_copy_source = False

# Where the repository is browsed, for links to what is no page; without it they are no links.
repository = os.environ.get("NAMED_LOCK_REPOSITORY")


def write_reference():
    """A page for each public header: its introduction, which is Markdown, and its names."""
    pages = root / "docs/reference"
    pages.mkdir(exist_ok=True)
    for header in sorted((root / "include/named_lock").glob("*.hpp")):
        head = re.match(r"(?://.*\n){2}//\n((?://.*\n)+)", header.read_text())
        introduction = re.sub(r"(?m)^// ?", "", head[1]) if head else ""
        (pages / f"{header.stem}.md").write_text(
            f"# {header.name}\n\n`#include <named_lock/{header.name}>`\n\n{introduction}\n"
            # What asio.hpp declares as well cannot be told apart: Breathe names it without its namespace.
            + ("It declares what [asio.hpp](asio.md) does.\n" if header.stem == "boost_asio" else
               f"```{{doxygenfile}} {header.name}\n"
               ":sections: briefdescription detaileddescription innerclass public-func\n```\n"))


def is_described(member):
    return any("".join(member.find(kind).itertext()).strip() for kind in ("briefdescription", "detaileddescription"))


def in_one_section(compound, members):
    """The public ones in the order of the header, whatever groups they are in."""
    for section in compound.findall("sectiondef"):
        compound.remove(section)
    section = ET.SubElement(compound, "sectiondef", kind="public-func")
    for member in sorted(members, key=lambda member: int(member.find("location").get("line"))):
        member.set("inline", "no")  # which is no news in a header
        if member.get("prot") == "public" and is_described(member):
            section.append(member)


def check_since(described):
    for entity in described:
        if entity.find("detaileddescription//simplesect[@kind='since']") is None:
            location = entity.find("location")
            name = entity.findtext("compoundname") or entity.findtext("name")
            raise SystemExit(f"{location.get('file')}:{location.get('line')}: {name} lacks a @since")


def tidy_xml():
    in_namespace = [member for path in sorted(xml.glob("namespacenlock*.xml"))  # and what is in it
                    for member in ET.parse(path).findall(".//memberdef")]
    for path in xml.glob("[cs][lt]*.xml"):  # class..., struct...
        tree = ET.parse(path)
        compound = tree.find("compounddef")
        if compound.get("prot") == "public":
            check_since([compound])
        for private in compound.findall("innerclass[@prot='private']"):
            compound.remove(private)
        in_one_section(compound, compound.findall("sectiondef/memberdef"))
        tree.write(path)
    for path in xml.glob("*_8hpp.xml"):
        tree = ET.parse(path)
        compound = tree.find("compounddef")
        for namespace in compound.findall("innernamespace"):
            compound.remove(namespace)
        file = compound.find("location").get("file")
        own = [member for member in in_namespace if member.find("location").get("file") == file]
        in_one_section(compound, compound.findall("sectiondef/memberdef") + own)
        check_since(compound.findall("sectiondef/memberdef"))
        tree.write(path)


def tidy_page(app, doctree):
    """Overloads that share a description stand together above it; headings that say nothing go."""
    for rubric in list(doctree.findall(nodes.rubric)):
        rubric.parent.remove(rubric)
    before = None
    for name in list(doctree.findall(addnodes.desc)):
        if before is not None and name.parent is before.parent and name[-1].astext() == before[-1].astext() != "":
            for signature in reversed(name[:-1]):
                before.insert(len(before) - 1, signature)
            name.parent.remove(name)
        else:
            before = name


def link_to_pages(app, page, source):
    """Of what is a page here only because it is included in one."""
    source[0] = source[0].replace("](../README.md", "](index.md").replace("](../CHANGELOG.md", "](changelog.md")


def link_to_repository(app, env, node, content):
    path = os.path.normpath(node["reftarget"].replace("../", ""))
    if node.get("reftype") == "any" and (root / path).exists():
        return nodes.reference("", "", content, refuri=f"{repository}/blob/main/{path}") if repository else content


def mend_theme(app, exception):
    """Debian compiles furo from its sources, and loses on the way that "auto" may be dark, and how one script loads
    another."""
    style, script = (pathlib.Path(app.outdir, "_static", name) for name in ("styles/furo.css", "scripts/furo.js"))
    dark = re.search(r'@media not print \{\n(  body\[data-theme="dark"\].*?\} \})', style.read_text(), re.DOTALL)
    if dark and "prefers-color-scheme" not in style.read_text():
        style.write_text(style.read_text() + "@media screen and (prefers-color-scheme: dark) {\n" +
                         dark[1].replace('"dark"', '"auto"') + "\n")
    script.write_text(re.sub("(?m)^import .*$", "", script.read_text()))


def setup(app):
    tidy_xml()
    write_reference()
    app.connect("source-read", link_to_pages)
    app.connect("doctree-read", tidy_page)
    app.connect("missing-reference", link_to_repository)
    app.connect("build-finished", mend_theme)
