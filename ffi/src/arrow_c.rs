//! Arrow's C structs, and everything about them that touches raw memory: who owns an array, where
//! its buffers are, which pointers in it can be followed.
//!
//! The rest of the import ([`crate::import`]) works on [`Node`] and never sees a pointer. A
//! producer vouches, by the C data interface, for the memory behind its pointers; counts, NULLs
//! and alignment are checked here.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use arrow::array::ArrowPrimitiveType;
use arrow::buffer::{Buffer, ScalarBuffer};
use arrow::datatypes::{ArrowNativeType, DataType, Schema, SchemaRef};
use arrow::ffi::FFI_ArrowSchema;
use laminar_types::error::code;
use laminar_types::{Code, Error, Result, outside};

use crate::args;

/// `struct ArrowSchema` of the Arrow C data interface.
#[repr(C)]
pub struct ArrowSchema {
    pub(crate) format: *const c_char,
    pub(crate) name: *const c_char,
    pub(crate) metadata: *const c_char,
    pub(crate) flags: i64,
    pub(crate) n_children: i64,
    pub(crate) children: *mut *mut ArrowSchema,
    pub(crate) dictionary: *mut ArrowSchema,
    pub(crate) release: Option<unsafe extern "C" fn(*mut ArrowSchema)>,
    pub(crate) private_data: *mut c_void,
}

/// `struct ArrowArray` of the Arrow C data interface.
#[repr(C)]
pub struct ArrowArray {
    pub(crate) length: i64,
    pub(crate) null_count: i64,
    pub(crate) offset: i64,
    pub(crate) n_buffers: i64,
    pub(crate) n_children: i64,
    pub(crate) buffers: *mut *const c_void,
    pub(crate) children: *mut *mut ArrowArray,
    pub(crate) dictionary: *mut ArrowArray,
    pub(crate) release: Option<unsafe extern "C" fn(*mut ArrowArray)>,
    pub(crate) private_data: *mut c_void,
}

/// `struct ArrowArrayStream` of the Arrow C stream interface.
#[repr(C)]
pub struct ArrowArrayStream {
    pub(crate) get_schema:
        Option<unsafe extern "C" fn(*mut ArrowArrayStream, *mut ArrowSchema) -> c_int>,
    pub(crate) get_next:
        Option<unsafe extern "C" fn(*mut ArrowArrayStream, *mut ArrowArray) -> c_int>,
    pub(crate) get_last_error: Option<unsafe extern "C" fn(*mut ArrowArrayStream) -> *const c_char>,
    pub(crate) release: Option<unsafe extern "C" fn(*mut ArrowArrayStream)>,
    pub(crate) private_data: *mut c_void,
}

impl ArrowArray {
    /// A released array: the end of a stream.
    pub(crate) const fn released() -> Self {
        Self {
            length: 0,
            null_count: 0,
            offset: 0,
            n_buffers: 0,
            n_children: 0,
            buffers: ptr::null_mut(),
            children: ptr::null_mut(),
            dictionary: ptr::null_mut(),
            release: None,
            private_data: ptr::null_mut(),
        }
    }
}

/// An array that was moved out of a C struct. Dropping it calls its release callback, never under
/// the token.
pub(crate) struct Owner(ArrowArray);

// SAFETY: the C data interface lets a consumer read and release an array on any thread.
unsafe impl Send for Owner {}
// SAFETY: as above; a shared `Owner` is only read.
unsafe impl Sync for Owner {}

impl Owner {
    /// Owns an array that was moved here.
    pub(crate) fn new(array: ArrowArray) -> Arc<Self> {
        Arc::new(Self(array))
    }

    /// The whole array as the root of the import.
    pub(crate) fn node(self: &Arc<Self>) -> Result<Node<'_>> {
        Node::new(&self.0, self, 0)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let Some(release) = self.0.release else {
            return;
        };
        let array = Moved(std::mem::replace(&mut self.0, ArrowArray::released()));
        outside::run(move || array.release(release));
    }
}

/// An array on its way to its release callback.
struct Moved(ArrowArray);

// SAFETY: the C data interface lets a consumer release an array on any thread.
unsafe impl Send for Moved {}

impl Moved {
    fn release(mut self, release: unsafe extern "C" fn(*mut ArrowArray)) {
        // SAFETY: the array is live and ours; the callback gets it at an address that is good for
        // the call, as the interface demands.
        unsafe { release(&raw mut self.0) }
    }
}

/// An array that a call was handed: taken from its C struct at once, given back only when the
/// call may be tried again.
pub(crate) struct Offered {
    slot: NonNull<ArrowArray>,
    array: Taken,
}

/// An array that was taken: alone, until something is to share it.
enum Taken {
    Alone(Owner),
    Shared(Arc<Owner>),
}

impl Offered {
    /// Moves the array out of its struct, whose `release` becomes NULL.
    ///
    /// # Safety
    /// `slot` is NULL or points to an initialised struct that may be written and lives as long as
    /// the value.
    pub(crate) unsafe fn take(slot: *mut ArrowArray, code: Code) -> Result<Self> {
        let slot = NonNull::new(slot).ok_or_else(|| args::null("array", code))?;
        // SAFETY: not NULL, and the caller vouches for the rest.
        let array = unsafe { ptr::read(slot.as_ptr()) };
        if array.release.is_none() {
            return Err(Error::new(code, "the array was released or moved before"));
        }
        // SAFETY: as above.
        unsafe { (*slot.as_ptr()).release = None };
        Ok(Self { slot, array: Taken::Alone(Owner(array)) })
    }

    /// The array, for what only reads it.
    pub(crate) fn array(&self) -> &ArrowArray {
        match &self.array {
            Taken::Alone(owner) => &owner.0,
            Taken::Shared(owner) => &owner.0,
        }
    }

    /// The array, for what shares its memory.
    pub(crate) fn owner(&mut self) -> &Arc<Owner> {
        if let Taken::Alone(owner) = &mut self.array {
            let array = std::mem::replace(&mut owner.0, ArrowArray::released());
            self.array = Taken::Shared(Owner::new(array));
        }
        match &self.array {
            Taken::Shared(owner) => owner,
            Taken::Alone(_) => unreachable!("it was just made shared"),
        }
    }

    /// Gives the array back to the struct it came from. Fails when something has kept a part of
    /// it, which only a defect can cause.
    pub(crate) fn give_back(self) -> Result<()> {
        let mut owner = match self.array {
            Taken::Alone(owner) => owner,
            Taken::Shared(owner) => Arc::try_unwrap(owner)
                .map_err(|_| Error::internal("a refused batch is still in use"))?,
        };
        let array = std::mem::replace(&mut owner.0, ArrowArray::released());
        // SAFETY: `take`'s caller vouches for the struct; `array` is the only copy.
        unsafe { ptr::write(self.slot.as_ptr(), array) };
        Ok(())
    }
}

/// One array of an imported tree, with its counts and pointer tables checked.
pub(crate) struct Node<'a> {
    array: &'a ArrowArray,
    owner: &'a Arc<Owner>,
    depth: usize,
    /// Logical length.
    pub(crate) length: usize,
    /// Rows to skip at the start of every buffer.
    pub(crate) offset: usize,
    /// As declared; `None` is unknown.
    pub(crate) null_count: Option<usize>,
    /// Entries of the table of buffers.
    pub(crate) n_buffers: usize,
    /// Entries of the table of children.
    pub(crate) n_children: usize,
}

/// Levels of nesting that are followed.
const MAX_DEPTH: usize = 64;

/// The error of Arrow data that is not well-formed.
pub(crate) fn malformed(message: impl Into<String>) -> Error {
    Error::new(code::MALFORMED_ARROW, message)
}

impl<'a> Node<'a> {
    fn new(array: &'a ArrowArray, owner: &'a Arc<Owner>, depth: usize) -> Result<Self> {
        if depth > MAX_DEPTH {
            return Err(malformed(format!("arrays nest deeper than {MAX_DEPTH} levels")));
        }
        let count = |value: i64, name: &str| {
            usize::try_from(value).map_err(|_| malformed(format!("the {name} is {value}")))
        };
        let node = Self {
            array,
            owner,
            depth,
            length: count(array.length, "length")?,
            offset: count(array.offset, "offset")?,
            null_count: match array.null_count {
                -1 => None,
                nulls => Some(count(nulls, "null count")?),
            },
            n_buffers: count(array.n_buffers, "number of buffers")?,
            n_children: count(array.n_children, "number of children")?,
        };
        if node.null_count.is_some_and(|nulls| nulls > node.length) {
            return Err(malformed(format!(
                "the null count {} is more than the length {}",
                array.null_count, array.length
            )));
        }
        if array.length.checked_add(array.offset).is_none() {
            return Err(malformed("offset and length together overflow"));
        }
        if node.n_buffers > 0 && array.buffers.is_null() {
            return Err(malformed("the table of buffers is NULL"));
        }
        if node.n_children > 0 && array.children.is_null() {
            return Err(malformed("the table of children is NULL"));
        }
        Ok(node)
    }

    /// Refuses tables of any other size.
    pub(crate) fn expect(&self, n_buffers: usize, n_children: usize) -> Result<()> {
        if self.n_buffers != n_buffers {
            return Err(malformed(format!(
                "there are {} buffers, and the type has {n_buffers}",
                self.n_buffers
            )));
        }
        if self.n_children != n_children {
            return Err(malformed(format!(
                "there are {} children, and the type has {n_children}",
                self.n_children
            )));
        }
        Ok(())
    }

    /// A child.
    pub(crate) fn child(&self, index: usize) -> Result<Node<'a>> {
        debug_assert!(index < self.n_children);
        // SAFETY: the table holds `n_children` pointers, as the producer vouches.
        let child = unsafe { *self.array.children.add(index) };
        self.follow(child, "a child")
    }

    /// The dictionary of a dictionary-encoded array.
    pub(crate) fn dictionary(&self) -> Result<Node<'a>> {
        self.follow(self.array.dictionary, "the dictionary")
    }

    fn follow(&self, pointer: *mut ArrowArray, what: &str) -> Result<Node<'a>> {
        // SAFETY: the producer vouches for pointers that are not NULL; the array behind them lives
        // as long as the owner.
        let array = unsafe { pointer.as_ref() }
            .ok_or_else(|| malformed(format!("{what} is missing (NULL)")))?;
        if array.release.is_none() {
            return Err(malformed(format!("{what} was released")));
        }
        Node::new(array, self.owner, self.depth + 1)
    }

    /// Whether a buffer is there at all.
    pub(crate) fn has_buffer(&self, index: usize) -> bool {
        !self.pointer(index).is_null()
    }

    fn pointer(&self, index: usize) -> *const u8 {
        debug_assert!(index < self.n_buffers);
        // SAFETY: the table holds `n_buffers` pointers, as the producer vouches.
        unsafe { (*self.array.buffers.add(index)).cast() }
    }

    /// `length` bytes of a buffer from `start`, without a copy.
    pub(crate) fn bytes(&self, index: usize, start: usize, length: usize) -> Result<Buffer> {
        self.aligned_bytes(index, start, length, 1)
    }

    /// `length` values of a buffer from value `start`: without a copy unless it is misaligned.
    pub(crate) fn values<T: ArrowNativeType>(
        &self,
        index: usize,
        start: usize,
        length: usize,
    ) -> Result<ScalarBuffer<T>> {
        let width = size_of::<T>();
        let (Some(first), Some(bytes)) = (start.checked_mul(width), length.checked_mul(width))
        else {
            return Err(malformed("offset and length are larger than memory"));
        };
        let buffer = self.aligned_bytes(index, first, bytes, align_of::<T>())?;
        Ok(ScalarBuffer::new(buffer, 0, length))
    }

    /// The values of an array of primitive type.
    pub(crate) fn primitives<T: ArrowPrimitiveType>(
        &self,
        start: usize,
        length: usize,
    ) -> Result<ScalarBuffer<T::Native>> {
        self.values(1, start, length)
    }

    fn aligned_bytes(
        &self,
        index: usize,
        start: usize,
        length: usize,
        alignment: usize,
    ) -> Result<Buffer> {
        if length == 0 {
            return Ok(Buffer::default());
        }
        let base = NonNull::new(self.pointer(index).cast_mut())
            .ok_or_else(|| malformed(format!("buffer {index} is missing (NULL)")))?;
        match start.checked_add(length).map(isize::try_from) {
            Some(Ok(end)) if base.as_ptr().addr().checked_add(end.unsigned_abs()).is_some() => {}
            _ => return Err(malformed("offset and length are larger than memory")),
        }
        // SAFETY: the producer vouches for as many bytes as offset and length need, and the sum was
        // checked above.
        let first = unsafe { base.add(start) };
        if first.as_ptr().addr() % alignment == 0 {
            let owner = Arc::clone(self.owner);
            // SAFETY: as above; the owner keeps the memory until the last buffer is gone.
            Ok(unsafe { Buffer::from_custom_allocation(first, length, owner) })
        } else {
            // SAFETY: as above.
            Ok(Buffer::from(unsafe { std::slice::from_raw_parts(first.as_ptr(), length) }))
        }
    }
}

/// A schema of C whose texts and tables can all be followed.
pub(crate) struct CheckedSchema<'a>(&'a FFI_ArrowSchema);

impl<'a> CheckedSchema<'a> {
    /// Checks a borrowed schema; NULL is none.
    ///
    /// # Safety
    /// `schema` is NULL or a schema by the C data interface that lives for `'a`.
    pub(crate) unsafe fn borrow(schema: *const ArrowSchema) -> Result<Option<Self>> {
        // SAFETY: not followed when NULL; the caller vouches for the rest.
        let Some(root) = (unsafe { schema.as_ref() }) else {
            return Ok(None);
        };
        // SAFETY: as above.
        unsafe { check_schema(root, 0) }?;
        // SAFETY: both types are `repr(C)` with the fields of `struct ArrowSchema` in its order.
        Ok(Some(Self(unsafe { &*schema.cast::<FFI_ArrowSchema>() })))
    }

    /// The columns of a schema of rows.
    pub(crate) fn columns(&self) -> impl ExactSizeIterator<Item = &FFI_ArrowSchema> {
        (0..usize::try_from(self.0.n_children).unwrap_or(0)).map(|index| self.0.child(index))
    }

    /// The schema as arrow-rs has it; refuses anything that is not a struct.
    pub(crate) fn to_schema(&self) -> Result<SchemaRef> {
        let schema = Schema::try_from(self.0)
            .map_err(|error| malformed(format!("the schema cannot be read: {error}")))?;
        Ok(Arc::new(schema))
    }

    /// The type that it is the schema of.
    pub(crate) fn data_type(&self) -> Result<DataType> {
        DataType::try_from(self.0)
            .map_err(|error| malformed(format!("the schema cannot be read: {error}")))
    }

    /// Whether it is the schema of rows at all, as opposed to that of a single column.
    pub(crate) fn is_struct(&self) -> bool {
        self.0.format() == "+s"
    }
}

/// # Safety
/// `schema` is one by the C data interface.
unsafe fn check_schema(schema: &ArrowSchema, depth: usize) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(malformed(format!("the schema nests deeper than {MAX_DEPTH} levels")));
    }
    if schema.release.is_none() {
        return Err(malformed("the schema was released"));
    }
    // SAFETY: the producer vouches for texts that are not NULL.
    let text = |text: *const c_char| unsafe { CStr::from_ptr(text) }.to_str();
    if schema.format.is_null() {
        return Err(malformed("the format of the schema is NULL"));
    }
    let Ok(format) = text(schema.format) else {
        return Err(malformed("the format of the schema is not UTF-8"));
    };
    if !schema.name.is_null() && text(schema.name).is_err() {
        return Err(malformed("a name in the schema is not UTF-8"));
    }
    let n_children = usize::try_from(schema.n_children)
        .map_err(|_| malformed(format!("the schema has {} children", schema.n_children)))?;
    let least = match format {
        "+r" => 2,
        "+l" | "+L" | "+vl" | "+vL" | "+m" => 1,
        fixed if fixed.starts_with("+w:") => 1,
        _ => 0,
    };
    if n_children < least {
        return Err(malformed(format!("the format `{format}` needs {least} children")));
    }
    if n_children > 0 && schema.children.is_null() {
        return Err(malformed("the table of the schema's children is NULL"));
    }
    for index in 0..n_children {
        // SAFETY: the table holds `n_children` pointers, as the producer vouches, and those that
        // are not NULL can be followed.
        let child = unsafe { (*schema.children.add(index)).as_ref() }
            .ok_or_else(|| malformed("a child of the schema is NULL"))?;
        // SAFETY: handed through.
        unsafe { check_schema(child, depth + 1) }?;
    }
    // SAFETY: as for the children.
    if let Some(dictionary) = unsafe { schema.dictionary.as_ref() } {
        // SAFETY: handed through.
        unsafe { check_schema(dictionary, depth + 1) }?;
    }
    Ok(())
}

/// Writes a schema to where C wants it, which is not NULL.
///
/// # Safety
/// `out` may be written.
pub(crate) unsafe fn write_schema(schema: &Schema, out: *mut ArrowSchema) -> Result<()> {
    let schema = FFI_ArrowSchema::try_from(schema).map_err(|error| {
        Error::new(code::INVALID_SCHEMA, format!("the schema has no C form: {error}"))
    })?;
    // SAFETY: the caller vouches for the place; the two types have one layout.
    unsafe { ptr::write(out.cast::<FFI_ArrowSchema>(), schema) };
    Ok(())
}

/// Marks a struct of C as released before anything is written there, so that a failed call leaves
/// nothing that could be released by mistake.
///
/// # Safety
/// `out` is NULL or may be written.
pub(crate) unsafe fn clear_schema(out: *mut ArrowSchema) {
    if !out.is_null() {
        // SAFETY: not NULL, and the caller vouches for the rest; the two types have one layout.
        unsafe { ptr::write(out.cast::<FFI_ArrowSchema>(), FFI_ArrowSchema::empty()) };
    }
}

/// As [`clear_schema`], for an array.
///
/// # Safety
/// `out` is NULL or may be written.
pub(crate) unsafe fn clear_array(out: *mut ArrowArray) {
    if !out.is_null() {
        // SAFETY: not NULL, and the caller vouches for the rest.
        unsafe { ptr::write(out, ArrowArray::released()) };
    }
}
