//! What the files hold. That they conform is checked by the typesetter itself for every file.

use super::*;

const TEXT: &str = "# Парковочное разрешение РР-2026-000001\n\nВыдано: **Соколова Анна**.\n\n- один\n\n\
                    | Поле | Значение |\n|---|---|\n| Зона | Z1 |\n";

fn document<'a>(markdown: &'a str, lines: &'a [String]) -> Document<'a> {
    Document {
        language: "ru",
        title: "Парковочное разрешение",
        issuer: "Муниципалитет Заречный",
        date: (2026, 11, 25),
        markdown,
        check: Check {
            url: "https://zarechny.example/check/01a20006-66a1-7e3f-b5d0-585925c3de63",
            description: "QR-код: адрес проверки",
            lines,
        },
        data: Attachment { name: "result.json", description: "Данные", json: b"{\"v\":1}" },
    }
}

#[test]
fn the_same_document_gives_the_same_file_and_another_one_does_not() {
    let lines = ["Проверить".to_owned()];
    let one = Typesetter::new().pdf(&document(TEXT, &lines)).unwrap();
    let again = Typesetter::new().pdf(&document(TEXT, &lines)).unwrap();
    assert!(one == again, "two machines must make the same bytes");
    let other = Typesetter::new().pdf(&document("# Другое", &lines)).unwrap();
    assert!(one != other);
    let text = String::from_utf8_lossy(&one);
    assert!(text.starts_with("%PDF-1.7"));
    assert!(text.contains("<pdfuaid:part>1</pdfuaid:part>"));
    assert!(text.contains("<pdfaid:part>3</pdfaid:part>"));
    assert!(text.contains("<pdfaid:conformance>A</pdfaid:conformance>"));
}

#[test]
fn a_text_is_never_taken_for_markup_of_the_typesetter() {
    let lines = ["#panic()".to_owned()];
    let text = "# #panic() $x$ \\`raw\\` @ref <label>\n\n#import \"/etc/passwd\": * \\\\ \\#set";
    Typesetter::new().pdf(&document(text, &lines)).unwrap();
}

#[test]
fn what_cannot_be_set_is_an_error() {
    let setter = Typesetter::new();
    let lines = [];
    let wrong = Document { date: (2026, 2, 30), ..document(TEXT, &lines) };
    let date = TypesettingError::Date { year: 2026, month: 2, day: 30 };
    assert_eq!(setter.pdf(&wrong), Err(date));
    let url = format!("https://{}", "a".repeat(3_000));
    let mut long = document(TEXT, &lines);
    long.check.url = &url;
    assert!(matches!(setter.pdf(&long), Err(TypesettingError::Code { bytes: 3_008, .. })));
    // No font has it: a file with a hole in its text would not be archival.
    let missing = setter.pdf(&document("# \u{13000}", &lines));
    assert!(matches!(missing, Err(TypesettingError::Text { .. })), "{missing:?}");
}

#[test]
fn a_long_document_has_more_pages() {
    let lines = ["Проверить".to_owned()];
    let text = format!("# Много\n\n{}", "Абзац текста, который занимает место.\n\n".repeat(120));
    let file = Typesetter::new().pdf(&document(&text, &lines)).unwrap();
    assert!(String::from_utf8_lossy(&file).contains("/Count 4"), "four pages");
}
