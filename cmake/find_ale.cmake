# Finds the Arcade Learning Environment that scripts/bootstrap.sh put into EAUDEQN_DEPENDENCIES. It does not fetch it.
# Sets EAUDEQN_HAS_ALE; if it is ON the target eaudeqn::ale exists and EAUDEQN_ROM_DIRECTORY is where the ROMs are.
# ALE is under GPLv2 (see NOTICE): link it into the environments library and into nothing else.
find_package(ale CONFIG QUIET NO_DEFAULT_PATH PATHS "${EAUDEQN_DEPENDENCIES}/ale")
set(EAUDEQN_HAS_ALE ${ale_FOUND})
set(EAUDEQN_ROM_DIRECTORY "${EAUDEQN_DEPENDENCIES}/roms")

if(EAUDEQN_HAS_ALE AND NOT TARGET eaudeqn_ale)
  # A wrapper, because the package exports include/ale only, and its own headers include each other both as
  # "version.hpp" and as "ale/...". SYSTEM: its headers are not held to this project's warnings.
  add_library(eaudeqn_ale INTERFACE)
  target_link_libraries(eaudeqn_ale INTERFACE ale::ale-lib)
  target_include_directories(eaudeqn_ale SYSTEM INTERFACE "${EAUDEQN_DEPENDENCIES}/ale/include")
  add_library(eaudeqn::ale ALIAS eaudeqn_ale)
elseif(NOT EAUDEQN_HAS_ALE)
  message(STATUS "ALE is not in ${EAUDEQN_DEPENDENCIES}/ale: building without Atari (./run puts it there)")
endif()
