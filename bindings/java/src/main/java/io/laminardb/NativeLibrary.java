package io.laminardb;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Loads the native part and the library that it stands on, from the folder that the system property
 * {@value #DIRECTORY} names, or out of the jar.
 */
final class NativeLibrary {
    /** The system property that names a folder with both libraries. */
    static final String DIRECTORY = "io.laminardb.native";

    private static final String BINDING = "liblaminar_java.so";

    /** Names the native libraries of a platform, line by line; written where they are laid out. */
    private static final String LIST = "libraries.txt";

    private NativeLibrary() {}

    static void load() {
        String directory = System.getProperty(DIRECTORY);
        if (directory != null) {
            System.load(Path.of(directory, BINDING).toAbsolutePath().toString());
            return;
        }
        try {
            unpackAndLoad();
        } catch (IOException error) {
            UnsatisfiedLinkError failure =
                    new UnsatisfiedLinkError(
                            "the native libraries could not be unpacked: "
                                    + error.getMessage()
                                    + "; make room in java.io.tmpdir, or put them into a folder and"
                                    + " name it in -D"
                                    + DIRECTORY);
            failure.initCause(error);
            throw failure;
        }
    }

    /** Unpacks into a folder that only this user can read, and which is gone once they are loaded. */
    private static void unpackAndLoad() throws IOException {
        List<Path> unpacked = new ArrayList<>();
        try {
            Path folder = Files.createTempDirectory("laminardb");
            unpacked.add(folder);
            for (String name : names()) {
                Path file = folder.resolve(name);
                unpacked.add(file);
                try (InputStream in = open(name)) {
                    Files.copy(in, file);
                }
            }
            System.load(folder.resolve(BINDING).toString());
        } finally {
            for (int last = unpacked.size() - 1; last >= 0; last--) {
                Files.deleteIfExists(unpacked.get(last));
            }
        }
    }

    /** The library by the name by which the binding asks for it, and the binding. */
    private static List<String> names() throws IOException {
        try (InputStream in = open(LIST)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
        }
    }

    private static InputStream open(String name) {
        String resource = "native/" + platform() + "/" + name;
        InputStream in = NativeLibrary.class.getResourceAsStream(resource);
        if (in == null) {
            throw new UnsatisfiedLinkError(
                    "this jar has no native libraries for "
                            + platform()
                            + " ("
                            + resource
                            + "); name a folder that has them in -D"
                            + DIRECTORY);
        }
        return in;
    }

    /** For example {@code linux-x86_64}. */
    private static String platform() {
        String system = System.getProperty("os.name", "").toLowerCase(Locale.ROOT);
        String machine = System.getProperty("os.arch", "").toLowerCase(Locale.ROOT);
        String name = machine.equals("amd64") ? "x86_64" : machine;
        return system.replace(' ', '_') + "-" + name;
    }
}
