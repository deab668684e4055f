# Writes OUTPUT, a C++ file that defines `const char* const SYMBOL` with the text of INPUT: the
# programs carry the table of published files with them.
function(embed_text input symbol output)
  file(READ ${input} text)
  # Compilers limit a literal's length, so each line is one.
  string(REPLACE "\n" "\\n\"\n    \"" text "${text}")
  file(CONFIGURE OUTPUT ${output} CONTENT "namespace lorentznet {
extern const char* const ${symbol};
const char* const ${symbol} =
    \"${text}\";
}  // namespace lorentznet
" @ONLY)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${input})
endfunction()
