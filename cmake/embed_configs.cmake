# Compiles the files of configs/<family>/ into the program, so that it runs without its source tree.
# eaudeqn_embed_configs(VAR): sets VAR to a generated .cc that defines eaudeqn::embedded_configs(), made anew whenever a
# config changes, comes or goes. As a script (cmake -D OUTPUT=... -D DIRECTORY=... -P) it is the generator itself.
if(CMAKE_SCRIPT_MODE_FILE)
  file(GLOB configs RELATIVE ${DIRECTORY} ${DIRECTORY}/*/*.toml)
  list(SORT configs)
  set(source "// Generated from configs/ by cmake/embed_configs.cmake.\n#include \"core/config_keys.h\"\n\n")
  string(APPEND source "namespace eaudeqn {\n\nconst std::vector<EmbeddedConfig>& embedded_configs() {\n")
  string(APPEND source "  static const std::vector<EmbeddedConfig> configs = {\n")
  foreach(config IN LISTS configs)
    file(READ ${DIRECTORY}/${config} text)
    string(REGEX REPLACE "\\.toml$" "" name ${config})
    string(APPEND source "      {\"${name}\", R\"embedded(${text})embedded\"},\n")
  endforeach()
  string(APPEND source "  };\n  return configs;\n}\n\n}  // namespace eaudeqn\n")
  file(WRITE ${OUTPUT} "${source}")
  return()
endif()

function(eaudeqn_embed_configs variable)
  file(GLOB configs CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/configs/*/*.toml)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/embedded_configs.cc)
  set(generator ${CMAKE_SOURCE_DIR}/cmake/embed_configs.cmake)
  # A config that goes leaves no newer file behind: the list of names itself is an input too.
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/embedded_configs.list CONTENT "${configs}")
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -D OUTPUT=${output} -D DIRECTORY=${CMAKE_SOURCE_DIR}/configs -P ${generator}
    DEPENDS ${configs} ${generator} ${CMAKE_CURRENT_BINARY_DIR}/embedded_configs.list
    VERBATIM)
  set(${variable} ${output} PARENT_SCOPE)
endfunction()
