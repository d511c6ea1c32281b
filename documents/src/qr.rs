//! QR codes (ISO/IEC 18004) as SVG. Not here: where they are put.

use fast_qr::convert::svg::SvgBuilder;
use fast_qr::{ECL, QRBuilder};

use crate::TypesettingError;

/// The code of an address; a quarter of it may be damaged and it still reads.
pub(crate) fn svg(url: &str) -> Result<String, TypesettingError> {
    let code = QRBuilder::new(url)
        .ecl(ECL::Q)
        .build()
        .map_err(|error| TypesettingError::Code { bytes: url.len(), reason: error.to_string() })?;
    Ok(SvgBuilder::default().to_str(&code))
}
