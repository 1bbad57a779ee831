"""Looks things up for `tickctl doctor`; nothing here changes, starts or keeps anything."""
