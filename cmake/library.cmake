# The library that is installed: the C functions of eaudeqn/eaudeqn.h with all that they need of src/ in one file, shared
# and static, and what lets others find it. It holds no trainer and no environment: deploy, inference and basics are all.
#   cmake --install build/release --component library --prefix DIR
# Component `python` is the shared library inside the Python package (pyproject.toml).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
find_package(hwy REQUIRED)

if(EAUDEQN_LIBRARY_ONLY)
  # The rest of these folders is theirs too, but nobody asks for it.
  add_subdirectory(src/core EXCLUDE_FROM_ALL)
  add_subdirectory(src/engine EXCLUDE_FROM_ALL)
  add_subdirectory(src/deploy EXCLUDE_FROM_ALL)
endif()

set(objects $<TARGET_OBJECTS:eaudeqn_basics> $<TARGET_OBJECTS:eaudeqn_inference> $<TARGET_OBJECTS:eaudeqn_deploy>)
add_library(eaudeqn_shared SHARED ${objects})
add_library(eaudeqn_static STATIC ${objects})
set_target_properties(eaudeqn_shared eaudeqn_static PROPERTIES OUTPUT_NAME eaudeqn LINKER_LANGUAGE CXX)
set(symbols ${CMAKE_SOURCE_DIR}/cmake/library_symbols.txt)
set_target_properties(eaudeqn_shared PROPERTIES
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR} LINK_DEPENDS ${symbols})
target_link_options(eaudeqn_shared PRIVATE LINKER:--version-script=${symbols} LINKER:--as-needed)
target_link_libraries(eaudeqn_shared PRIVATE fmt::fmt hwy::hwy Threads::Threads ${XXHASH_LIBRARY})

install(TARGETS eaudeqn_shared eaudeqn_static COMPONENT library
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} NAMELINK_COMPONENT library ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES include/eaudeqn/eaudeqn.h include/eaudeqn/policy.h include/eaudeqn/error.h
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/eaudeqn COMPONENT library)
configure_package_config_file(cmake/eaudeqn-config.cmake.in ${CMAKE_BINARY_DIR}/package/eaudeqn-config.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/eaudeqn
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/package/eaudeqn-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/package/eaudeqn-config.cmake ${CMAKE_BINARY_DIR}/package/eaudeqn-config-version.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/eaudeqn COMPONENT library)
configure_file(cmake/eaudeqn.pc.in ${CMAKE_BINARY_DIR}/package/eaudeqn.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/package/eaudeqn.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT library)
install(FILES $<TARGET_FILE:eaudeqn_shared> RENAME libeaudeqn.so DESTINATION eaudeqn COMPONENT python EXCLUDE_FROM_ALL)
