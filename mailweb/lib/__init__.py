"""Leaf helpers, one purpose per module. No models; knows no app."""

from __future__ import annotations
