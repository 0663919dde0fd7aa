"""The page of a sweep: one HTML file that a colleague can read, from its result tables alone."""

from scalegrid.report.page import write_report
from scalegrid.report.pdf import print_pdf
from scalegrid.report.watch import watch_report

__all__ = ["print_pdf", "watch_report", "write_report"]
