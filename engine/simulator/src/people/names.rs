//! Invented people's names, ASCII, from all over the world.

/// Given names.
pub(super) const GIVEN: [&str; 64] = [
    "Ana", "Erik", "Maja", "Olof", "Ingrid", "Lars", "Sofia", "Nils", "Emma", "Jonas", "Freya", "Tomas", "Priya",
    "Arjun", "Kavya", "Rohan", "Mei", "Wei", "Jun", "Hana", "Kenji", "Yuki", "Minh", "Linh", "Siti", "Budi", "Omar",
    "Layla", "Yusuf", "Amina", "Kofi", "Ama", "Chidi", "Ngozi", "Thabo", "Zanele", "Pedro", "Lucia", "Mateo", "Camila",
    "Joao", "Beatriz", "Carlos", "Valeria", "Liam", "Olivia", "Noah", "Grace", "Ethan", "Chloe", "Jack", "Ruby",
    "Pierre", "Claire", "Marco", "Giulia", "Jan", "Zofia", "Pavel", "Irina", "Elena", "Dimitri", "Ayse", "Mehmet",
];

/// Family names.
pub(super) const FAMILY: [&str; 64] = [
    "Lind", "Berg", "Dahl", "Ek", "Holm", "Strand", "Nyman", "Sandell", "Hansen", "Moen", "Virtanen", "Laine",
    "Sharma", "Iyer", "Reddy", "Patel", "Chen", "Lin", "Tanaka", "Sato", "Mori", "Nguyen", "Pham", "Rahman", "Santoso",
    "Haddad", "Mansour", "Okafor", "Adeyemi", "Mensah", "Dlamini", "Nkosi", "Silva", "Costa", "Rojas", "Vega",
    "Morales", "Castro", "Walker", "Hughes", "Murphy", "Fraser", "Bennett", "Carter", "Brooks", "Hayes", "Martin",
    "Dubois", "Moreau", "Rossi", "Conti", "Novak", "Kowalski", "Horvat", "Popescu", "Ivanova", "Weber", "Schulz",
    "Keller", "Jansen", "Visser", "Peeters", "Yilmaz", "Demir",
];
