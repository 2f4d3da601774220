"""Recipes that ship with the trainer."""
