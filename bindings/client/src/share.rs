//! Arrow structs that share what another one owns.
//!
//! Arrow's structs have one owner. To give the same data to several, each gets structs of its own
//! whose pointers lead to the buffers of the original, and a count that keeps the original alive.
//! Consumers may move children out of their parent, so each node holds its own count.

use std::ffi::{CStr, CString, c_char};
use std::sync::Arc;

use laminar_sys::{ArrowArray, ArrowSchema};

use crate::arrow::{Array, ArraySchema};

struct SharedArray {
    /// Keeps the buffers alive.
    _owner: Arc<Array>,
    children: Box<[*mut ArrowArray]>,
    dictionary: *mut ArrowArray,
}

/// An array with the buffers of `owner`.
pub(crate) fn share_array(owner: &Arc<Array>) -> Array {
    // SAFETY: the array of `owner` is valid and lives as long as the counts.
    let mut raw = unsafe { share_array_node(owner, owner.raw()) };
    // SAFETY: the struct was made above; moving it is allowed.
    unsafe { Array::take(&mut raw) }
}

/// # Safety
/// `node` is valid and belongs to `owner`.
unsafe fn share_array_node(owner: &Arc<Array>, node: &ArrowArray) -> ArrowArray {
    // SAFETY: children and dictionary of a valid array are valid, and belong to the same owner.
    let (children, dictionary) = unsafe {
        let child =
            |index| Box::into_raw(Box::new(share_array_node(owner, &**node.children.add(index))));
        let children: Box<[_]> = (0..node.n_children.max(0) as usize).map(child).collect();
        let dictionary = match node.dictionary.as_ref() {
            Some(dictionary) => Box::into_raw(Box::new(share_array_node(owner, dictionary))),
            None => std::ptr::null_mut(),
        };
        (children, dictionary)
    };
    let shared = SharedArray { _owner: Arc::clone(owner), children, dictionary };
    let mut shared = Box::new(shared);
    ArrowArray {
        length: node.length,
        null_count: node.null_count,
        offset: node.offset,
        n_buffers: node.n_buffers,
        n_children: node.n_children,
        buffers: node.buffers,
        children: shared.children.as_mut_ptr(),
        dictionary,
        release: Some(release_array),
        private_data: Box::into_raw(shared).cast(),
    }
}

unsafe extern "C" fn release_array(array: *mut ArrowArray) {
    // SAFETY: `array` is a node made above, or a move of one: its private data is the box, and each
    // child is a box that is released here unless somebody moved it out.
    unsafe {
        let shared = Box::from_raw((*array).private_data.cast::<SharedArray>());
        for child in shared.children.iter().chain([&shared.dictionary]) {
            if !child.is_null() {
                let mut child = Box::from_raw(*child);
                if let Some(release) = child.release {
                    release(&mut *child);
                }
            }
        }
        (*array).private_data = std::ptr::null_mut();
        (*array).release = None;
    }
}

struct OwnedSchema {
    _format: CString,
    _name: CString,
    _metadata: Option<Box<[u8]>>,
    children: Box<[*mut ArrowSchema]>,
    dictionary: *mut ArrowSchema,
}

/// A copy of a schema; they are small.
pub(crate) fn share_schema(schema: &ArraySchema) -> ArraySchema {
    // SAFETY: `Schema` only holds schemas that are valid and not released.
    let mut raw = unsafe { copy_schema_node(schema.raw()) };
    // SAFETY: the struct was made above; moving it is allowed.
    unsafe { ArraySchema::take(&mut raw) }
}

/// The schema of a struct without children.
pub(crate) fn empty_schema() -> ArraySchema {
    let node = ArrowSchema {
        format: c"+s".as_ptr(),
        name: std::ptr::null(),
        metadata: std::ptr::null(),
        flags: 0,
        n_children: 0,
        children: std::ptr::null_mut(),
        dictionary: std::ptr::null_mut(),
        release: None,
        private_data: std::ptr::null_mut(),
    };
    // SAFETY: the node is valid for a copy, which looks at nothing but what is set here.
    let mut raw = unsafe { copy_schema_node(&node) };
    // SAFETY: the struct was made above; moving it is allowed.
    unsafe { ArraySchema::take(&mut raw) }
}

/// # Safety
/// `node` is valid and not released.
unsafe fn copy_schema_node(node: &ArrowSchema) -> ArrowSchema {
    // SAFETY: the texts, the metadata, the children and the dictionary of a valid schema are valid.
    let mut owned = unsafe {
        let text = |text: *const c_char| {
            if text.is_null() { CString::default() } else { CStr::from_ptr(text).to_owned() }
        };
        let child = |index| Box::into_raw(Box::new(copy_schema_node(&**node.children.add(index))));
        Box::new(OwnedSchema {
            _format: text(node.format),
            _name: text(node.name),
            _metadata: copy_metadata(node.metadata),
            children: (0..node.n_children.max(0) as usize).map(child).collect(),
            dictionary: match node.dictionary.as_ref() {
                Some(dictionary) => Box::into_raw(Box::new(copy_schema_node(dictionary))),
                None => std::ptr::null_mut(),
            },
        })
    };
    ArrowSchema {
        format: owned._format.as_ptr(),
        name: owned._name.as_ptr(),
        metadata: owned._metadata.as_ref().map_or(std::ptr::null(), |bytes| bytes.as_ptr().cast()),
        flags: node.flags,
        n_children: node.n_children,
        children: owned.children.as_mut_ptr(),
        dictionary: owned.dictionary,
        release: Some(release_schema),
        private_data: Box::into_raw(owned).cast(),
    }
}

/// Arrow's metadata is a count of pairs, and each text is a length and bytes, in native order.
///
/// # Safety
/// `metadata` is null or in that form.
unsafe fn copy_metadata(metadata: *const c_char) -> Option<Box<[u8]>> {
    if metadata.is_null() {
        return None;
    }
    let start = metadata.cast::<u8>();
    // SAFETY: every read stays within what the counts before it announce.
    unsafe {
        let number = |at: usize| start.add(at).cast::<i32>().read_unaligned().max(0) as usize;
        let mut end = 4;
        for _ in 0..number(0) * 2 {
            end += 4 + number(end);
        }
        Some(std::slice::from_raw_parts(start, end).into())
    }
}

unsafe extern "C" fn release_schema(schema: *mut ArrowSchema) {
    // SAFETY: as for `release_array`.
    unsafe {
        let owned = Box::from_raw((*schema).private_data.cast::<OwnedSchema>());
        for child in owned.children.iter().chain([&owned.dictionary]) {
            if !child.is_null() {
                let mut child = Box::from_raw(*child);
                if let Some(release) = child.release {
                    release(&mut *child);
                }
            }
        }
        (*schema).private_data = std::ptr::null_mut();
        (*schema).release = None;
    }
}
