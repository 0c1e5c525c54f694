"""The library below the flows: albums, plans, transfers, stores and reports, without Prefect."""
