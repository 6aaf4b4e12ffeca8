# eaudeqn_library(core [COLD] SOURCES a.cc ... [LINK ...] [TESTS a_test.cc ...]): one static library per folder of src/,
# and one test program beside it. eaudeqn_<folder> sees include/ and src/. COLD: what it does takes no time, unlike
# compiling it (parsers, mostly), so it is optimised a little only.
add_library(eaudeqn_options INTERFACE)
target_compile_options(eaudeqn_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
  $<$<BOOL:${EAUDEQN_WERROR}>:-Werror>
  # Results must not depend on which expressions a compiler chooses to fuse; kernels fuse explicitly.
  -ffp-contract=off)

set(EAUDEQN_COLD $<$<CONFIG:Release>:-O1>)

function(eaudeqn_library folder)
  cmake_parse_arguments(ARG "COLD" "" "SOURCES;LINK;TESTS" ${ARGN})
  set(target eaudeqn_${folder})
  add_library(${target} STATIC ${ARG_SOURCES})
  # Kernels include themselves once per instruction set, and so cannot be included with others; generated sources may not
  # exist when Clang looks at the rest.
  set(alone ${ARG_SOURCES})
  list(FILTER alone INCLUDE REGEX "^kernels/|^${CMAKE_BINARY_DIR}/")
  set_source_files_properties(${alone} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${EAUDEQN_UNITY} UNITY_BUILD_BATCH_SIZE 10)
  if(EAUDEQN_UNITY AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # A source that another includes looks like a header to it, whose types should not hang on unnamed namespaces.
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
  endif()
  target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(${target} PUBLIC ${ARG_LINK} PRIVATE eaudeqn_options)
  if(ARG_COLD)
    target_compile_options(${target} PRIVATE ${EAUDEQN_COLD})
  endif()
  if(EAUDEQN_TESTS AND ARG_TESTS)
    add_executable(${folder}_test ${ARG_TESTS})
    target_link_libraries(${folder}_test PRIVATE ${target} eaudeqn_options GTest::gtest_main GTest::gmock)
    # Half of the time that a test takes to compile is these headers'.
    target_precompile_headers(${folder}_test PRIVATE <gmock/gmock.h> <gtest/gtest.h> <filesystem> <functional>)
    # The engine's tests hold the naive references, and those are slow enough as it is.
    if(NOT folder STREQUAL engine)
      target_compile_options(${folder}_test PRIVATE ${EAUDEQN_COLD})
    endif()
    gtest_discover_tests(${folder}_test DISCOVERY_TIMEOUT 60)
  endif()
endfunction()
