# Finds the MuJoCo library and models that scripts/bootstrap.sh put into EAUDEQN_DEPENDENCIES. It does not fetch them.
# Sets EAUDEQN_HAS_MUJOCO; if it is ON the target eaudeqn::mujoco exists. EAUDEQN_MODEL_DIRECTORY is where the models
# are. Link it into the environments library and into nothing else.
set(EAUDEQN_MODEL_DIRECTORY "${EAUDEQN_DEPENDENCIES}/mujoco/models")
set(EAUDEQN_HAS_MUJOCO OFF)

if(NOT EAUDEQN_MUJOCO)
  message(STATUS "EAUDEQN_MUJOCO is OFF: building without MuJoCo")
elseif(NOT EXISTS "${EAUDEQN_DEPENDENCIES}/mujoco/.stamp")
  message(STATUS "MuJoCo is not in ${EAUDEQN_DEPENDENCIES}/mujoco: building without it (./run puts it there)")
else()
  set(EAUDEQN_HAS_MUJOCO ON)
  if(NOT TARGET eaudeqn::mujoco)
    # Programs find the library at the path known at build. An imported target's headers are not held to this project's
    # warnings.
    add_library(eaudeqn::mujoco SHARED IMPORTED)
    set_target_properties(eaudeqn::mujoco PROPERTIES
      IMPORTED_LOCATION "${EAUDEQN_DEPENDENCIES}/mujoco/lib/libmujoco.so"
      INTERFACE_INCLUDE_DIRECTORIES "${EAUDEQN_DEPENDENCIES}/mujoco/include")
  endif()
endif()
