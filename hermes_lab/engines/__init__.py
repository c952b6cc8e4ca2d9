"""One file for each library, program or system that hermes_lab leans on."""
