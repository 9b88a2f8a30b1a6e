# Seals and opens the share of one site. Without `create`: else sealing under a mistyped name would make a key of that name.
path "transit/encrypt/quorate-eu" {
  capabilities = ["update"]
}
path "transit/decrypt/quorate-eu" {
  capabilities = ["update"]
}
