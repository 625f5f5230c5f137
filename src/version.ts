/** This executable's own version; scripts/release sets it together with package.json, which a test compares. */
export const version = "0.1.0";
