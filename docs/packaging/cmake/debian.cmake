# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
# What Debian's policy asks of a package beyond what is installed: documents in a directory named after it, with the
# licence as "copyright", a changelog, and compressed manual pages. Run by cpack.

set(packages_named_lock_development libnamed-lock-dev)
set(packages_named_lock_tool named-lock)

function(compress file)
    file(ARCHIVE_CREATE OUTPUT "${file}.gz" PATHS "${file}" FORMAT raw COMPRESSION GZip COMPRESSION_LEVEL 9)
    file(REMOVE "${file}")
endfunction()

string(TIMESTAMP now "%a, %d %b %Y %H:%M:%S +0000" UTC)
foreach(component IN LISTS CPACK_COMPONENTS_ALL)
    set(share "${CPACK_TEMPORARY_INSTALL_DIRECTORY}/${component}/usr/share")
    set(package ${packages_${component}})
    set(doc "${share}/doc/${package}")
    if(IS_DIRECTORY "${share}/doc/named_lock")
        file(RENAME "${share}/doc/named_lock" "${doc}")
        file(REMOVE "${doc}/LICENSE")
        file(RENAME "${doc}/CHANGELOG.md" "${doc}/NEWS.md")
    endif()
    configure_file("${CPACK_RESOURCE_FILE_LICENSE}" "${doc}/copyright" COPYONLY)
    file(WRITE "${doc}/changelog" "named-lock (${CPACK_PACKAGE_VERSION}) unstable; urgency=medium\n\n"
        "  * Made by cpack from named_lock ${CPACK_PACKAGE_VERSION}.\n\n -- ${CPACK_PACKAGE_CONTACT}  ${now}\n")
    compress("${doc}/changelog")
    file(GLOB_RECURSE pages "${share}/man/*.[1-8]")
    foreach(page IN LISTS pages)
        compress("${page}")
    endforeach()
endforeach()
