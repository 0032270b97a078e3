"""Every page can be used with Tab and Enter only."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from charging_assets_tests.e2e.test_pages import PAGES

FOCUS = """() => {
  const e = document.activeElement;
  const style = getComputedStyle(e);
  return [e.tagName, e.href || e.name || e.className || "",
          style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2];
}"""
REACHABLE = "main a[href], main button, main select, main input:not([type=hidden]), main .scroll"


@pytest.mark.parametrize("name", PAGES)
def test_tab__reaches_all_controls_in_order_with_visible_focus(
    page: Page, address: str, name: str
) -> None:
    page.goto(address + PAGES[name])
    expected = page.locator(f"body a[href], {REACHABLE}").count()
    page.evaluate("document.body.focus()")
    seen = []
    # A date field has several stops of its own.
    for _ in range(expected + 40):
        page.keyboard.press("Tab")
        seen.append(tuple(page.evaluate(FOCUS)))
        if seen[-1][0] == "BODY":
            break
    unseen = [(tag, what) for tag, what, visible in seen if tag != "BODY" and not visible]
    assert unseen == [], "focus must be seen"
    page.evaluate("document.body.focus()")
    reached = len({(tag, what) for tag, what, _ in seen if tag != "BODY"})
    distinct = page.locator(f"body a[href], {REACHABLE}").evaluate_all(
        "all => new Set(all.map(e => e.tagName + (e.href || e.name || e.className || ''))).size"
    )
    assert reached == distinct


def test_enter__walks_from_page_to_page(page: Page, address: str) -> None:
    page.goto(f"{address}/now")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # skip to the content
    assert page.evaluate("document.activeElement.id") == "content"
    for name in list(PAGES)[1:]:
        page.locator("header nav a", has_text=_title(page, name)).focus()
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/{name}**")


def test_filter__by_keyboard(page: Page, address: str) -> None:
    page.goto(f"{address}/city")
    page.get_by_label("City", exact=True).focus()
    page.keyboard.type("Bonn")
    while page.evaluate("document.activeElement.tagName") != "BUTTON":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**place=bonn**")
    cities = set(page.locator("#table-stations [data-name=city]").all_text_contents())
    assert cities == {"Bonn"}


def _title(page: Page, name: str) -> str:
    href = page.locator(f"header nav a[href^='/{name}']").first
    return href.inner_text()
