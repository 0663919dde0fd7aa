"""The sizes of a family as a package of their own, which registers them with timm."""

from scalegrid.family.export.package import check_folder, export

__all__ = ["check_folder", "export"]
