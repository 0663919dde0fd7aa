"""Having this file lets tests of every folder import the helpers that lie beside it."""
