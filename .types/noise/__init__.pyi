"""The part of noiseprotocol that tests hold our handshake against; it ships no types."""
