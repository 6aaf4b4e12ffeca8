# What `cpack -G TGZ` puts into an archive that runs wherever glibc is not older, without installing anything: the
# program, every shared library but glibc's, ROMs, models, and the licences of all of it. NOTICE says who may get it.
# Everything is in the component "program". scripts/package.sh builds and packs.
include(${CMAKE_SOURCE_DIR}/cmake/find_ale.cmake)
include(${CMAKE_SOURCE_DIR}/cmake/find_mujoco.cmake)
set(PROGRAM_DATA share/eaudeqn)  # where the program looks: data_directories.cc
set(PROGRAM_LICENCES share/doc/eaudeqn)

set_target_properties(eaudeqn PROPERTIES INSTALL_RPATH "$ORIGIN/../lib")
install(TARGETS eaudeqn RUNTIME_DEPENDENCY_SET program_libraries
  RUNTIME DESTINATION bin COMPONENT program)
install(RUNTIME_DEPENDENCY_SET program_libraries
  PRE_EXCLUDE_REGEXES "^(ld-linux.*|lib(c|m|dl|rt|pthread|resolv|util|mvec))\\.so"
  LIBRARY DESTINATION lib COMPONENT program)

install(FILES LICENSE NOTICE README.md DESTINATION ${PROGRAM_LICENCES} COMPONENT program)
install(DIRECTORY zoo/ DESTINATION ${PROGRAM_LICENCES}/zoo COMPONENT program)
install(DIRECTORY docs/ DESTINATION ${PROGRAM_LICENCES}/docs COMPONENT program)
if(EAUDEQN_HAS_ALE)
  install(DIRECTORY ${EAUDEQN_ROM_DIRECTORY}/ DESTINATION ${PROGRAM_DATA}/roms COMPONENT program)
  install(FILES ${EAUDEQN_DEPENDENCIES}/ale/LICENSE.md DESTINATION ${PROGRAM_LICENCES}/licences/ale COMPONENT program)
endif()
if(EAUDEQN_HAS_MUJOCO)
  install(DIRECTORY ${EAUDEQN_MODEL_DIRECTORY}/ DESTINATION ${PROGRAM_DATA}/mujoco COMPONENT program)
  install(FILES ${EAUDEQN_DEPENDENCIES}/mujoco/LICENSE ${EAUDEQN_DEPENDENCIES}/mujoco/LICENSES_THIRD_PARTY.md
    DESTINATION ${PROGRAM_LICENCES}/licences/mujoco COMPONENT program)
endif()
# Of what is linked or compiled in from the system's packages, where Debian puts it, and the texts these refer to.
foreach(package libfmt-dev libhwy-dev liblz4-dev libxxhash-dev zlib1g-dev libstdc++6 nlohmann-json3-dev
        libtomlplusplus-dev libcli11-dev libjs-chart.js)
  if(EXISTS /usr/share/doc/${package}/copyright)
    install(FILES /usr/share/doc/${package}/copyright DESTINATION ${PROGRAM_LICENCES}/licences/${package}
      COMPONENT program)
  else()
    message(STATUS "no licence of ${package} in /usr/share/doc: an archive made by cpack will lack it")
  endif()
endforeach()
foreach(text Apache-2.0 GPL-3)
  install(FILES /usr/share/common-licenses/${text} DESTINATION ${PROGRAM_LICENCES}/licences COMPONENT program OPTIONAL)
endforeach()

set(CPACK_PACKAGE_NAME eaudeqn)
set(CPACK_PACKAGE_VENDOR eaudeqn)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Eau De Q-Network: agents that grow sparse at their own pace")
set(CPACK_PACKAGE_FILE_NAME eaudeqn-${PROJECT_VERSION}-${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_GENERATOR TGZ)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL program)
set(CPACK_ARCHIVE_COMPONENT_INSTALL ON)
set(CPACK_COMPONENT_INCLUDE_TOPLEVEL_DIRECTORY ON)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_SOURCE_GENERATOR "")
# What is packed has been built already (scripts/package.sh); without this cpack would build every test as well.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)
include(CPack)
