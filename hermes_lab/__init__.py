"""hermes_lab: AI agents and people work on notebooks together, in JupyterLab."""
