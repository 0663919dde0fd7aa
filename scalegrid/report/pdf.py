"""A page as PDF, printed by whatever browser there is."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from scalegrid.util import disk
from scalegrid.util.errors import UserError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge", "brave-browser")

_PATIENCE = 120  # seconds


def print_pdf(page: Path) -> Path:
    """Print a page to a PDF of the same name beside it.

    Raises:
        UserError: there is no browser of `BROWSERS` on the search path, it fails, or the page has
            the PDF's name.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise UserError(
            f"no browser to print {page} with: none of {', '.join(BROWSERS)} is on PATH; install "
            "one, or print the page from a browser of yours."
        )
    pdf = page.with_suffix(".pdf")
    if pdf == page:
        raise UserError(f"the page is called {page} itself; give it another --output to print it.")
    disk.remove(pdf)
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--disable-gpu", f"--user-data-dir={profile}"]
        command += ["--no-sandbox", "--no-pdf-header-footer", f"--print-to-pdf={pdf.absolute()}"]
        command.append(page.absolute().as_uri())
        try:
            ran = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            raise UserError(f"{browser} has not printed {page} in {_PATIENCE} s.") from None
    if ran.returncode or not pdf.exists():
        said = ran.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise UserError(f"{browser} could not print {page}: {said[-1]}.")
    return pdf
