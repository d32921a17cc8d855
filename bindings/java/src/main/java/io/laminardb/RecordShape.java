package io.laminardb;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Constructor;
import java.lang.reflect.InaccessibleObjectException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.RecordComponent;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** The components of a record class, which are its columns by name. */
final class RecordShape {
    private static final ClassValue<RecordShape> SHAPES =
            new ClassValue<>() {
                @Override
                protected RecordShape computeValue(Class<?> type) {
                    return new RecordShape(type);
                }
            };

    private final Class<?> type;
    private final RecordComponent[] components;

    private RecordShape(Class<?> type) {
        RecordComponent[] found = type.getRecordComponents();
        if (found == null) {
            throw mismatch(type.getName() + " is not a record; rows are records or maps");
        }
        this.type = type;
        this.components = found;
        try {
            for (RecordComponent component : found) {
                component.getAccessor().setAccessible(true);
            }
        } catch (InaccessibleObjectException error) {
            throw mismatch(
                    type.getName()
                            + " cannot be reached: open its package to io.laminardb ("
                            + error.getMessage()
                            + ")");
        }
    }

    static RecordShape of(Class<?> type) {
        return SHAPES.get(type);
    }

    RecordComponent[] components() {
        return components;
    }

    /** The accessor of a component, from {@code Object} to {@code result}. */
    static MethodHandle accessor(RecordComponent component, Class<?> result) {
        try {
            MethodHandle handle = MethodHandles.lookup().unreflect(component.getAccessor());
            return handle.asType(MethodType.methodType(result, Object.class));
        } catch (IllegalAccessException error) {
            throw mismatch(component.getDeclaringRecord().getName() + " cannot be reached");
        }
    }

    /** The canonical constructor, from {@code Object[]} to {@code Object}. */
    MethodHandle constructor() {
        Class<?>[] types =
                Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
        try {
            Constructor<?> constructor = type.getDeclaredConstructor(types);
            constructor.setAccessible(true);
            return MethodHandles.lookup()
                    .unreflectConstructor(constructor)
                    .asSpreader(Object[].class, types.length)
                    .asType(MethodType.methodType(Object.class, Object[].class));
        } catch (ReflectiveOperationException | InaccessibleObjectException error) {
            throw mismatch(type.getName() + " cannot be made: " + error.getMessage());
        }
    }

    /** The value of a component. */
    static @Nullable Object value(RecordComponent component, Record row) {
        try {
            Method accessor = component.getAccessor();
            return accessor.invoke(row);
        } catch (InvocationTargetException error) {
            throw rethrow(error.getCause());
        } catch (IllegalAccessException error) {
            throw mismatch(row.getClass().getName() + " cannot be reached");
        }
    }

    /** The column that a component stands for, as its author names it. */
    static String columnName(RecordComponent component) {
        ColumnName name = component.getAnnotation(ColumnName.class);
        return name == null ? component.getName() : name.value();
    }

    /**
     * The column of a component: the one of its name, else the only one that differs in case and
     * underscores alone ({@code avgPrice} is {@code avg_price}).
     */
    static @Nullable Field match(RecordComponent component, List<Field> fields) {
        String name = columnName(component);
        for (Field field : fields) {
            if (field.name().equals(name)) {
                return field;
            }
        }
        if (component.isAnnotationPresent(ColumnName.class)) {
            return null;
        }
        Field found = null;
        for (Field field : fields) {
            if (plain(field.name()).equals(plain(name))) {
                if (found != null) {
                    throw mismatch(
                            "component `"
                                    + name
                                    + "` could be column `"
                                    + found.name()
                                    + "` or `"
                                    + field.name()
                                    + "`: say which with @ColumnName");
                }
                found = field;
            }
        }
        return found;
    }

    private static String plain(String name) {
        return name.replace("_", "").toLowerCase(Locale.ROOT);
    }

    /** A class of rows that does not go with the columns. */
    static LaminarException mismatch(String message) {
        return LaminarException.of(ErrorCode.SCHEMA_MISMATCH, "LDB-2201", message);
    }

    /** Throws what code of the user's threw, as it is. */
    @SuppressWarnings("unchecked")
    static <E extends Throwable> RuntimeException rethrow(@Nullable Throwable error) throws E {
        throw (E) (error == null ? new IllegalStateException("nothing was thrown") : error);
    }
}
