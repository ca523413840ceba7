"""Facts about the network, free of torch: specs, variants, costs and preprocessing policies."""
