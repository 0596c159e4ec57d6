"""Servers that other people wrote, each run privately: own configuration, own folder, loopback only.

`.ci/peers` installs them. Where one is missing its tests are skipped and say so; in CI they fail.
"""
