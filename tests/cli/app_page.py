"""The page of the app in a browser: what is seen of it, and how its selectors are used."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.browser import Browser

LABELS, VIDEOS = "labelled frames", "videos"
KINDS = ("stSelectbox", "stMultiSelect", "stRadio", "stSlider")
REST_S = 120.0


@dataclass(frozen=True)
class State:
    """What is seen of a page.

    Attributes:
        parts: every chart and the picture, by name; equal = looks the same.
        texts: the words in each chart.
        caption: of the picture.
        headings: of the page.
        values: of sliders, by key.
    """

    parts: dict[str, str]
    texts: dict[str, list[str]]
    caption: str
    headings: list[str]
    values: dict[str, list[str]]


SEEN = """(() => {
 const app = document.querySelector('[data-testid=stApp]');
 const busy = !app || app.dataset.testScriptState !== 'notRunning'
  || app.querySelector('[data-stale=true], [data-testid=stSkeleton]');
 const found = {parts: {}, texts: {}, headings: [], caption: '', values: {}};
 let name = 'traces';
 for (const e of document.querySelectorAll('[data-testid=stMain] :is([data-testid=stHeading],'
   + '[data-testid=stVegaLiteChart], [data-testid=stImage] img)')) {
  if (e.dataset.testid === 'stHeading') {
   const words = e.textContent; found.headings.push(words);
   name = words.endsWith(' by keypoint') ? 'errors' : {'One model against another': 'pair',
    'Confidence': 'confidence', 'Metrics of the whole video': 'spread'}[words] || words;
  } else if (e.tagName === 'IMG') {
   if (!e.complete || !e.naturalWidth) return '';
   found.parts.picture = e.currentSrc;
  } else {
   const svg = e.querySelector('svg.marks'); if (!svg) return '';
   found.parts[name] = svg.outerHTML.replace(/(clip|gradient_)\\d+/g, '');
   found.texts[name] = [...svg.querySelectorAll('text')].map(t => t.textContent);
  }
 }
 const under = document.querySelector('[data-testid=stImageCaption]');
 found.caption = under ? under.textContent.trim() : '';
 for (const e of document.querySelectorAll('[data-testid=stSlider]')) {
  const key = KEY(e); found.values[key] = [...e.querySelectorAll('input')].map(i => i.value);
 }
 return busy || !Object.keys(found.parts).length ? '' : JSON.stringify(found);
})()"""
KEY_OF = """(e => { const k = e.closest('[class*=st-key-]'); if (!k) return '(no key)';
 const key = k.className.match(/st-key-(\\S+)/)[1];
 return key.startsWith('within_') ? 'within' : key; })"""
FAULTS = "[...document.querySelectorAll('[data-testid=stException], [data-testid=stAlert]')]"
FREE = """[...document.querySelectorAll(`[data-testid=stApp] :is(input, textarea, select, button,
 [contenteditable=true], [role=combobox], [role=slider], [role=switch], [role=checkbox])`)]
 .filter(e => !e.closest('KNOWN, [data-testid=stElementToolbar], [data-testid=stHeader],'
  + '[data-testid=stSidebarHeader], template')).map(e => e.outerHTML)"""


def opened(browser: Browser, address: str, page: str) -> State:
    """Return a page of the app, opened anew."""
    browser.open(address)
    state = seen(browser)
    if page != LABELS:
        choose_option(browser, "page", page)
        state = seen(browser, unlike=state)
    return state


def seen(browser: Browser, *, unlike: State | None = None, after: str = "") -> State:
    """Return the page once it is at rest, and not as it was; it has no box of an error.

    Args:
        browser: that shows it.
        unlike: what it was.
        after: what was done, for the message if nothing changes.
    """
    until, last = time.monotonic() + REST_S, ""
    while time.monotonic() < until:
        text = str(browser.value(SEEN.replace("KEY(", f"{KEY_OF}(")))
        if text and text == last:
            state = State(**json.loads(text))
            if unlike is None or state.parts != unlike.parts:
                assert browser.value(f"{FAULTS}.map(e => e.textContent)") == []
                assert browser.faults == []
                return state
        last = text
        time.sleep(0.3)
    how = "stays as it was" if last else "is not drawn"
    raise AssertionError(f"the page {how}, {after or 'opened'}")


def selectors(browser: Browser) -> dict[str, str]:
    """Return the kind of each selector that is on the page, by key."""
    kinds = ", ".join(f"[data-testid={kind}]" for kind in KINDS)
    script = f"[...document.querySelectorAll('{kinds}')].map(e => [{KEY_OF}(e), e.dataset.testid])"
    pairs = browser.value(script)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def _within(key: str, what: str) -> str:
    """Return the elements in a selector, as JavaScript."""
    return f"""[...document.querySelectorAll('[class*="st-key-{key}"] {what}')]
      .filter(e => {KEY_OF}(e) === '{key}' && !e.closest('template'))"""


def _choose_from_list(browser: Browser, key: str) -> str:
    """Choose an entry that is not chosen; return it."""
    browser.click_on(f"{_within(key, 'button[aria-label=Open]')}[0]")
    options = "[...document.querySelectorAll('[role=option]')]"
    browser.wait_for(f"{options}.length")
    now = browser.value(f"{_within(key, 'input')}[0].value")
    others = f"{options}.map(e => e.textContent).filter(t => t !== 'Select all')"
    other = browser.value(f"{others}.find(t => t !== {json.dumps(now)})")
    browser.click_on(f"{options}.find(e => e.textContent === {json.dumps(other)})")
    return str(other)


def _choose_several(browser: Browser, key: str) -> str:
    """Take the last of the chosen entries away, or choose one if there is none; return it."""
    tags = _within(key, 'button[aria-label^="Remove "]')
    if not browser.value(f"{tags}.length"):
        chosen = _choose_from_list(browser, key)
        browser.press("Escape")
        return chosen
    name = str(browser.value(f"{tags}.at(-1).getAttribute('aria-label')"))
    browser.click_on(f"{tags}.at(-1)")
    return name.removeprefix("Remove ")


def choose_option(browser: Browser, key: str, wanted: str = "") -> str:
    """Choose an option that is not chosen; return it."""
    options = f"{_within(key, 'label[data-testid=stRadioOption]')}"
    which = "!e.querySelector('input').checked"
    if wanted:
        which = f"e.textContent === {json.dumps(wanted)}"
    browser.value(f"window.wanted = {options}.find(e => {which}), 0")
    chosen = browser.value("window.wanted.textContent")
    browser.click_on("window.wanted")
    return str(chosen)


def _slide(browser: Browser, key: str) -> str:
    """Move the only thumb to the end, or the first of two by a step; return the key pressed."""
    thumbs = _within(key, "input[type=range]")
    press = "End" if browser.value(f"{thumbs}.length") == 1 else "ArrowRight"
    browser.value(f"{thumbs}[0].focus()")
    browser.press(press)
    return press


CHOOSE: dict[str, Callable[[Browser, str], str]] = {
    "stSelectbox": _choose_from_list,
    "stMultiSelect": _choose_several,
    "stRadio": choose_option,
    "stSlider": _slide,
}


def unknown_controls(browser: Browser) -> list[str]:
    """Return what can be operated on the page beside selectors and Streamlit's own tools."""
    known = ", ".join(f"[data-testid={kind}]" for kind in KINDS)
    return list(browser.value(FREE.replace("KNOWN", known)))
