"""Decides how bytes and bundles travel, and what each way promises."""
