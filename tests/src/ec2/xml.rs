//! Small changes to XML.

use xmltree::{Element, XMLNode};

/// An element with a text.
pub(super) fn leaf(name: &str, text: &str) -> Element {
    let mut element = Element::new(name);
    element.children.push(XMLNode::Text(text.to_owned()));
    element
}

/// An element with elements.
pub(super) fn parent(name: &str, children: impl IntoIterator<Item = Element>) -> Element {
    let mut element = Element::new(name);
    (element.children).extend(children.into_iter().map(XMLNode::Element));
    element
}

/// The text of a child, if it has that child.
pub(super) fn text(element: &Element, name: &str) -> Option<String> {
    let child = element.get_child(name)?;
    Some(child.get_text().unwrap_or_default().into_owned())
}

/// Sets the text of a child, which is made if need be.
pub(super) fn set(element: &mut Element, name: &str, text: &str) {
    child(element, name).children = vec![XMLNode::Text(text.to_owned())];
}

/// A child, which is made if need be.
pub(super) fn child<'a>(element: &'a mut Element, name: &str) -> &'a mut Element {
    if element.get_child(name).is_none() {
        let child = XMLNode::Element(Element::new(name));
        element.children.push(child);
    }
    element.get_mut_child(name).expect("it was just made")
}

/// The first element of that name, at any depth.
pub(super) fn find<'a>(element: &'a Element, name: &str) -> Option<&'a Element> {
    if element.name == name {
        return Some(element);
    }
    elements(element).find_map(|child| find(child, name))
}

/// The same, to be changed.
pub(super) fn find_mut<'a>(element: &'a mut Element, name: &str) -> Option<&'a mut Element> {
    if element.name == name {
        return Some(element);
    }
    let children = element.children.iter_mut();
    let mut children = children.filter_map(XMLNode::as_mut_element);
    children.find_map(|child| find_mut(child, name))
}

/// The first element that has a child of that name, at any depth.
pub(super) fn parent_of_mut<'a>(element: &'a mut Element, name: &str) -> Option<&'a mut Element> {
    if element.get_child(name).is_some() {
        return Some(element);
    }
    let children = element.children.iter_mut();
    let mut children = children.filter_map(XMLNode::as_mut_element);
    children.find_map(|child| parent_of_mut(child, name))
}

/// The elements in it.
pub(super) fn elements(element: &Element) -> impl Iterator<Item = &Element> {
    element.children.iter().filter_map(XMLNode::as_element)
}

/// Changes the elements in it, and keeps those for which `keep` says so.
pub(super) fn retain(element: &mut Element, mut keep: impl FnMut(&mut Element) -> bool) {
    (element.children).retain_mut(|node| node.as_mut_element().is_none_or(&mut keep));
}

/// As it is sent.
pub(super) fn bytes(element: &Element) -> Vec<u8> {
    let mut bytes = Vec::new();
    element.write(&mut bytes).expect("memory takes all");
    bytes
}
